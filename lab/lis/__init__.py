"""The laboratory information system of the embedded hospital: installed on its hosts, in /usr/local/lib/lis."""
