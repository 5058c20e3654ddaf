import importlib.util
import sys
from pathlib import Path

# Test modules here share `factories`; with importlib mode the folder is not on the path by itself.
if "firmware_factories" not in sys.modules:
    spec = importlib.util.spec_from_file_location("firmware_factories", Path(__file__).with_name("factories.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules["firmware_factories"] = module
    spec.loader.exec_module(module)
