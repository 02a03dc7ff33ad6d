data "gravity_bundle" "ledger" {
  path = "${path.module}/ledger.tar"
}

# The first master. Other machines join as gravity_node.
resource "gravity_cluster" "site" {
  name              = "site"
  bundle            = data.gravity_bundle.ledger.path
  advertise_address = "10.0.0.11"
  pod_cidr          = "10.240.0.0/16"
}

output "application" {
  value = gravity_cluster.site.endpoints
}
