"""The pages that show the document, the URLs that give it, and who may read both."""
