# What `helm test` runs in the cluster: sh and curl. METRICS, POP3, POP3S: HOST:PORT of what there is to ask, of each store.

fail() {
  printf 'failed: %s\n' "$1" >&2
  exit 1
}

# What the server offers, inside TLS: capabilities URL OPTION...
capabilities() {
  curl --silent --show-error --insecure --ssl-reqd --connect-timeout 10 --max-time 30 --request CAPA "$@"
}

for place in $METRICS; do
  ready=$(curl --silent --show-error --max-time 10 "http://$place/readyz") || fail "$place does not answer"
  [ "$ready" = ready ] || fail "$place says: $ready"
  echo "ok: $place is ready"
done

urls=
for place in ${POP3S-}; do urls="$urls pop3s://$place/"; done
for place in ${POP3-}; do urls="$urls pop3://$place/"; done
for url in $urls; do
  # Where this pod is in the networks of proxies, it has to speak as one.
  offered=$(capabilities "$url") || offered=$(capabilities "$url" --haproxy-protocol) || fail "$url does not answer as it should"
  case $offered in
    *UIDL*) echo "ok: $url" ;;
    *) fail "$url offers: $offered" ;;
  esac
done
