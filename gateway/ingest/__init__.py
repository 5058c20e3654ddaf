"""Ways in (the embedded endpoint, an existing broker) and the pipeline that turns batches into committed effects."""
