#!/bin/sh
# Local volumes for the database's members. Sourced by hook.sh.
#
# Every node has a volume for each member, so that any member can live on any
# node. They are one folder, in which each member has its own: a member that
# comes back to a node finds what it left there. The folder is named after the
# cluster, so that one that is installed anew does not find the data of an
# older one. Data is never removed here.
# shellcheck disable=SC2154 # hook.sh sets namespace

volumes=/var/lib/gravity-local/ledger
members=app.kubernetes.io/name=ledger,app.kubernetes.io/component=database
replicas=app.kubernetes.io/name=ledger,app.kubernetes.io/component=web

# volume NODE HOSTNAME SLOT CLUSTER prints a volume.
volume() {
	cat <<-EOF
		---
		apiVersion: v1
		kind: PersistentVolume
		metadata:
		  name: ledger-$1-$3
		  labels: {app.kubernetes.io/name: ledger}
		  annotations: {ledger/node: "$1"}
		spec:
		  storageClassName: ledger-local
		  accessModes: [ReadWriteOnce]
		  capacity: {storage: 1Gi}
		  persistentVolumeReclaimPolicy: Retain
		  hostPath: {path: $volumes/$4, type: DirectoryOrCreate}
		  nodeAffinity:
		    required:
		      nodeSelectorTerms:
		        - matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: ["$2"]}]
	EOF
}

# make_volumes makes what is missing, and what was used and given back.
make_volumes() {
	kubectl get persistentvolumes -l app.kubernetes.io/name=ledger \
		-o 'jsonpath={range .items[?(@.status.phase=="Released")]}{.metadata.name}{"\n"}{end}' |
		while read -r name; do
			kubectl delete persistentvolume "$name" --timeout=1m
		done
	cluster=$(kubectl get namespace kube-system -o 'jsonpath={.metadata.uid}')
	nodes=$(kubectl get nodes -o 'jsonpath={range .items[*]}{.metadata.name} {.metadata.labels.kubernetes\.io/hostname}{"\n"}{end}')
	made=$(printf '%s\n' "$nodes" |
		while read -r node hostname; do
			for slot in 0 1 2; do
				volume "$node" "$hostname" "$slot" "$cluster"
			done
		done | kubectl apply -f -)
	printf '%s\n' "$made" | grep -v ' unchanged$' || echo "all volumes are there"
}

# forget_lost_nodes gives up the volumes of nodes that are not in the cluster
# any more. Members that lived there start elsewhere, without data, and replace
# themselves if a majority of the others is there.
forget_lost_nodes() {
	nodes=$(kubectl get nodes -o 'jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}')
	[ -n "$nodes" ]
	kubectl get persistentvolumes -l app.kubernetes.io/name=ledger \
		-o 'jsonpath={range .items[*]}{.metadata.name} {.metadata.annotations.ledger/node} {.spec.claimRef.name}{"\n"}{end}' |
		while read -r name node claim; do
			if printf '%s\n' "$nodes" | grep -qxF "$node"; then
				continue
			fi
			echo "node $node is gone, and so is volume $name"
			if [ -n "$claim" ] && [ "$(claimed "$claim")" = "$name" ]; then
				kubectl delete persistentvolumeclaim "$claim" -n "$namespace" --ignore-not-found --wait=false
				# Nobody will confirm that the pod of a node that is gone has ended.
				kubectl delete pod "${claim#data-}" -n "$namespace" --ignore-not-found --force --grace-period=0
			fi
			kubectl delete persistentvolume "$name" --ignore-not-found --timeout=1m
		done
}

# claimed CLAIM prints the volume that a claim has.
claimed() {
	kubectl get persistentvolumeclaim "$1" -n "$namespace" --ignore-not-found -o 'jsonpath={.spec.volumeName}'
}

# usable_nodes prints the nodes that pods can be scheduled to.
# shellcheck disable=SC2016 # the variables are the template's
usable_nodes() {
	kubectl get nodes -o go-template='{{range .items}}{{$ok := not .spec.unschedulable}}{{range .spec.taints}}{{if ne .effect "PreferNoSchedule"}}{{$ok = false}}{{end}}{{end}}{{range .status.conditions}}{{if and (eq .type "Ready") (ne .status "True")}}{{$ok = false}}{{end}}{{end}}{{if $ok}}{{.metadata.name}}{{"\n"}}{{end}}{{end}}'
}

# lost_nodes prints the nodes that do not report.
# shellcheck disable=SC2016 # the variables are the template's
lost_nodes() {
	kubectl get nodes -o go-template='{{range .items}}{{$name := .metadata.name}}{{range .status.conditions}}{{if and (eq .type "Ready") (eq .status "Unknown")}}{{$name}}{{"\n"}}{{end}}{{end}}{{end}}'
}

# crowded SELECTOR prints a pod whose node has another of the same kind while
# some node has none: the pod and that node.
crowded() {
	places=$(kubectl get pods -n "$namespace" -l "$1" -o 'jsonpath={range .items[*]}{.metadata.name} {.spec.nodeName}{"\n"}{end}')
	nodes=$(usable_nodes)
	printf '%s\n' "$places" "$nodes" | awk '
		NF == 2 && seen[$2]++ { pod = $1 }
		NF == 1 && !seen[$1] && node == "" { node = $1 }
		END { if (pod != "" && node != "") print pod, node }'
}

# spread moves pods from nodes that have several to nodes that have none, one
# after another, each only when all are ready. While a node is lost they are not:
# when it is removed they are spread again.
spread() {
	lost=$(lost_nodes)
	if [ -n "$lost" ]; then
		echo "nothing moves while a node does not answer: $lost"
		return
	fi
	for _ in 1 2 3; do
		wait_for_database
		found=$(crowded "$members")
		[ -n "$found" ] || break
		echo "member ${found% *} moves: its node has another, and node ${found#* } has none"
		move "${found% *}"
	done
	wait_for_web
	found=$(crowded "$replicas")
	if [ -n "$found" ]; then
		echo "replica ${found% *} moves: its node has another, and node ${found#* } has none"
		kubectl delete pod "${found% *}" -n "$namespace" --timeout=2m
		wait_for_web
	fi
}

# leave_node NODE moves the members of a node that is about to be removed to
# others, one after another, so that a majority has its data all the time. Nothing
# is scheduled to the node any more.
leave_node() {
	if lost_nodes | grep -qxF "$1"; then
		echo "node $1 does not answer: what it had starts elsewhere when it is removed"
		return
	fi
	if ! usable_nodes | grep -qvxF "$1"; then
		echo "there is no other node that can take what node $1 has"
		return
	fi
	for _ in 1 2 3; do
		found=$(kubectl get pods -n "$namespace" -l "$members" --field-selector "spec.nodeName=$1" -o name | head -n 1)
		[ -n "$found" ] || break
		if ! kubectl rollout status statefulset/ledger-db -n "$namespace" --timeout=2m; then
			echo "error: the database lacks a member: without what node $1 has it may lose rows" >&2
			exit 1
		fi
		echo "member ${found#pod/} moves: node $1 is about to be removed"
		move "${found#pod/}"
	done
}

# move MEMBER starts a member without its volume, where the scheduler likes.
move() {
	old=$(kubectl get pod "$1" -n "$namespace" -o 'jsonpath={.metadata.uid}')
	kubectl delete persistentvolumeclaim "data-$1" -n "$namespace" --wait=false
	kubectl delete pod "$1" -n "$namespace" --timeout=2m
	until new=$(kubectl get pod "$1" -n "$namespace" --ignore-not-found -o 'jsonpath={.metadata.uid}') && [ -n "$new" ] && [ "$new" != "$old" ]; do
		sleep 1 # the job's deadline ends this
	done
	kubectl wait pod "$1" -n "$namespace" --for=condition=Ready --timeout=5m
	make_volumes
}
