"""What each layer of the data path costs a request; `python bench/cores.py --layers` prints it."""
