"""What puts strain where the search finds it: simulated, archived, fetched."""
