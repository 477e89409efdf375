"""Writing a row together with rows that relations lead to (rest 5.7)."""
