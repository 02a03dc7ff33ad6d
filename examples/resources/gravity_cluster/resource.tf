data "gravity_bundle" "ledger" {
  path = "${path.module}/ledger.tar"
}

# The first master. Other machines join as gravity_node. A bundle in a hub is named as
# oci://hub.example.com/team/ledger:1.0.0 in place of a path.
resource "gravity_cluster" "site" {
  name              = "site"
  bundle            = data.gravity_bundle.ledger.path
  advertise_address = "10.0.0.11"
  pod_cidr          = "10.240.0.0/16"
  signed_by         = [file("${path.module}/release.pub")]
}

output "application" {
  value = gravity_cluster.site.endpoints
}
