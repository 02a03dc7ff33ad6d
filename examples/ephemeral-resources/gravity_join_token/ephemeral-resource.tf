# A token for machines that join by themselves, which a secret store hands to them.
# gravity_node needs none.
ephemeral "gravity_join_token" "pool" {
  masters = [{ address = "10.0.0.11" }]
  ttl     = "30m"
}

# A write-only argument takes it, so that it is in no plan and no state.
# resource "vault_kv_secret_v2" "join" {
#   mount                = "site"
#   name                 = "gravity/join"
#   data_json_wo         = jsonencode({ token = ephemeral.gravity_join_token.pool.token })
#   data_json_wo_version = 1
# }
