"""Views that an application writes by hand, with the body checks, answers and errors of the generated ones."""
