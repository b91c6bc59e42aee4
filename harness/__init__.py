"""How scalemark measures, keeps, analyses and shows. Sees a kernel only through kernels.api and kernels.registry."""
