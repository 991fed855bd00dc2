"""What every page and route needs: answers, errors, logins, headers, uploads, static files."""
