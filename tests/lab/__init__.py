"""The lab: real musl-linked CPythons and real wheels, for the tests. ``layout`` says where they are."""
