"""One module per page: HTTP in, page or panel out. Pages never import each other."""
