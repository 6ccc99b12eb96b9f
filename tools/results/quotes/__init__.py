"""What each page quotes: a module a page, with its `PAGE` and `quotes(studies)`, which yields the text that the page has to hold."""
