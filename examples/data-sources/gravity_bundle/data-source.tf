data "gravity_bundle" "ledger" {
  path = "${path.module}/ledger.tar"
}

output "kubernetes_version" {
  value = data.gravity_bundle.ledger.kubernetes_version
}
