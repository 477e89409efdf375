"""Reading queries from requests, and compiling them to statements whose rows are dumped."""
