"""Workers on other machines: what a cluster is asked for, and Parsl, which asks and starts them."""
