#!/bin/sh
# The hooks of the application: hook.sh NAME. Each may run again after it was
# interrupted or has succeeded, and ends the same.
set -eu

namespace=default
folder=/var/lib/gravity/resources
backup=/var/lib/gravity/backup/ledger-rows.jsonl
address=http://ledger.$namespace.svc
database=ledger-db.$namespace.svc:2379
export HOME=/tmp # kubectl and helm keep caches there
export LEDGER_DATABASE="http://ledger-db-0.$database,http://ledger-db-1.$database,http://ledger-db-2.$database"

# shellcheck source=/dev/null
. "$folder/scripts/objects.sh"
# shellcheck source=/dev/null
. "$folder/scripts/volumes.sh"

wait_for_database() {
	echo "wait for the database"
	kubectl rollout status statefulset/ledger-db -n "$namespace" --timeout=10m
}

# wait_for_web waits until all replicas are new, and those of before have ended.
# shellcheck disable=SC2154 # volumes.sh sets replicas
wait_for_web() {
	echo "wait for the web application"
	kubectl rollout status deployment/ledger -n "$namespace" --timeout=10m
	wanted=$(kubectl get deployment ledger -n "$namespace" -o 'jsonpath={.spec.replicas}')
	until [ "$(kubectl get pods -n "$namespace" -l "$replicas" -o name | wc -l)" -le "$wanted" ]; do
		sleep 1 # the job's deadline ends this
	done
}

check() {
	image=$(web_image)
	echo "check that version ${image##*:} answers"
	ledger check --within=2m "$address/readyz"
	ledger check --within=1m --contains="\"version\":\"${image##*:}\"" "$address/version"
}

install() {
	echo "make volumes on all nodes"
	make_volumes
	echo "create the application's objects"
	apply_objects
	wait_for_database
	wait_for_web
}

# update remembers what ran before, for rollback, unless that is this version:
# then an update is repeated.
update() {
	image=$(kubectl get deployment ledger -n "$namespace" -o 'jsonpath={.spec.template.spec.containers[0].image}')
	if [ "$image" != "$(web_image)" ]; then
		echo "update $image to $(web_image)"
		kubectl create configmap ledger-rollback -n "$namespace" --from-literal="state=$(objects_state)" --dry-run=client -o yaml |
			kubectl apply -f -
	fi
	install
	echo "migrate the rows"
	kubectl exec deployment/ledger -n "$namespace" -- /usr/local/bin/ledger migrate
}

rollback() {
	state=$(kubectl get configmap ledger-rollback -n "$namespace" --ignore-not-found -o 'jsonpath={.data.state}')
	if [ -z "$state" ]; then
		echo "there is no update to roll back"
		return
	fi
	echo "return to $state"
	return_to "$state"
	wait_for_web
	ledger check --within=2m "$address/readyz"
	kubectl delete configmap ledger-rollback -n "$namespace"
}

save() {
	echo "write all rows to $backup"
	ledger dump >"$backup.partial"
	mv "$backup.partial" "$backup"
}

restore() {
	echo "replace all rows by those of $backup"
	ledger load <"$backup"
	ledger check --within=2m "$address/readyz"
}

node_added() {
	make_volumes
	spread
}

node_leaves() {
	make_volumes
	leave_node "$GRAVITY_NODE_NAME"
}

node_removed() {
	forget_lost_nodes
	make_volumes
	spread
}

# uninstall keeps claims and volumes, and so all rows for an installation into
# the same cluster.
uninstall() {
	echo "delete the application's objects; volumes stay"
	delete_objects
	# They are ending already; this waits for it.
	kubectl delete pods -n "$namespace" -l app.kubernetes.io/name=ledger --ignore-not-found --timeout=2m
	kubectl delete configmap ledger-rollback -n "$namespace" --ignore-not-found
}

case $1 in
install) install ;;
update) update ;;
postInstall | postUpdate) check ;;
rollback) rollback ;;
status) ledger check --within=20s "$address/readyz" ;;
backup) save ;;
restore) restore ;;
postNodeAdd) node_added ;;
preNodeRemove) node_leaves ;;
postNodeRemove) node_removed ;;
uninstall) uninstall ;;
*)
	echo "error: there is no hook $1" >&2
	exit 2
	;;
esac
echo "$1: done"
