"""The beginning of a rule file, as tests write them: what is left to say are the steps and the reason."""

HOT_HEAD = """[[rule]]
name = "hot"
version = 1
fault_class = "F07"
kind = "level"
metric = "soc_temp_c"
"""
