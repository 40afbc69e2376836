"""`sparsebounds sweep`: many networks, trained and measured on Dask, a Parquet file each."""
