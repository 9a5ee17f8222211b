"""Weekly and monthly reports of wards: numbers to pages, in HTML and PDF."""
