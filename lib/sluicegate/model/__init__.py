"""The words of the domain as frozen values, without input or output."""
