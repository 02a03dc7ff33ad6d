# By the address of the first master.
terraform import gravity_cluster.site 10.0.0.11
