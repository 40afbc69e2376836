"""From any network and samples to a drawn network with a certificate: what `certify` and `report` share."""
