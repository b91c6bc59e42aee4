"""Sheet metal in a tensile test: its yield surface and the finite elements that make the strain records."""
