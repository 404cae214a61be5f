#!/bin/sh
# Makes the certificates of the test servers anew. They protect nothing: the keys are public, on 127.0.0.1 only.
# Needs OpenSSL; the tests themselves do not, because the result is committed.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
touch "$work/index.txt"

cat > "$work/ca.conf" <<CONF
[ca]
default_ca = test
[test]
database = $work/index.txt
new_certs_dir = $work
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[authority]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[server]
basicConstraints = CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = \${ENV::NAMES}
CONF

key() { openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1"; }

# sign NAME SUBJECT NAMES EXTENSIONS END [more options]
sign() {
  name=$1 subject=$2 NAMES=$3 extensions=$4 end=$5
  shift 5
  export NAMES
  key "$name.key"
  openssl req -new -key "$name.key" -subj "/CN=$subject" -out "$work/$name.csr"
  openssl ca -batch -notext -config "$work/ca.conf" -extensions "$extensions" -in "$work/$name.csr" -out "$name.pem" \
    -startdate 20200101000000Z -enddate "$end" "$@" 2>/dev/null
}

sign ca 'pg-herald test authority' DNS:unused authority 21200101000000Z -selfsign -keyfile ca.key
sign localhost localhost DNS:localhost,IP:127.0.0.1,IP:::1 server 21200101000000Z -cert ca.pem -keyfile ca.key
sign expired localhost DNS:localhost,IP:127.0.0.1,IP:::1 server 20210101000000Z -cert ca.pem -keyfile ca.key
sign other-host other.example DNS:other.example server 21200101000000Z -cert ca.pem -keyfile ca.key
rm ca.key
# Amazon SNS signs with RSA.
openssl req -x509 -newkey rsa:2048 -nodes -days 36500 -subj /CN=sns.amazonaws.com -keyout sns.key -out sns.pem 2>/dev/null
chmod 644 ./*.key
