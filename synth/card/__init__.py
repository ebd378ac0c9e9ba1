"""One page on one program: the idea, the code, the mathematics, what each term is worth, what it is near to, how it did."""
