"""Who the person of a request is, and how they sign in and out."""
