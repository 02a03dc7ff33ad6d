# By its address, and for a node that is no master, addresses of masters.
terraform import 'gravity_node.site["10.0.0.12"]' 10.0.0.12
terraform import 'gravity_node.site["10.0.0.14"]' 10.0.0.14,10.0.0.11,10.0.0.12
