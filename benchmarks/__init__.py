"""What Cellwright claims, measured beside its peers; see README.md."""
