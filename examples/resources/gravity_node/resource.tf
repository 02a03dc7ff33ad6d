resource "gravity_cluster" "site" {
  name              = "site"
  bundle            = "${path.module}/ledger.tar"
  advertise_address = "10.0.0.11"
}

# Machines join and leave in any order; the first two become masters, too.
resource "gravity_node" "site" {
  for_each = toset(["10.0.0.12", "10.0.0.13", "10.0.0.14"])

  cluster           = gravity_cluster.site.name
  masters           = gravity_cluster.site.masters
  advertise_address = each.value
}
