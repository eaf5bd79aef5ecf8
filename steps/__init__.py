"""Steps: each calls the World or an action of the package."""
