"""Setting words on paper: figures and addresses as they are written, strips and tables, pages, PDF."""
