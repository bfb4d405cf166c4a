"""The SHA-256 of base.txz of FreeBSD's releases for amd64, as FreeBSD publishes them apart from its mirrors.

Source: the MANIFEST files of FreeBSD's ports tree, misc/freebsd-release-manifests/files/MANIFESTS/amd64-amd64-RELEASE, by
which poudriere(8) checks what it fetches; those of 10.0 and 10.1 from ports-mgmt/poudriere, where they lay before. A release is
added by copying the second word of its line `base.txz`. The port has none for 13.0-RELEASE, so it is not here.
"""

from __future__ import annotations

from lsf.roots import number_of

BASE_TXZ = {
    "10.0-RELEASE": "f394b79749e79cd7d4b1c29c61effd2a4d6caa70c7e794ffb617f439e11be53c",
    "10.1-RELEASE": "2b028a894d25711ad496762622a52d74b1e32ee04693ad1cf056e3ddcdc23975",
    "10.2-RELEASE": "75b0d1872b39c35b0d423c352c96d41cc2d7e7d536b78ecdb506c2fbf8072a0b",
    "10.3-RELEASE": "e7c4c961694e34b2b60598d9668a185b5de1c6241bedfc4891cd9ea8fbff2dc4",
    "10.4-RELEASE": "bd0ea137c3746a2bb2da985af1afc15f990015da7f3ba3c303fd96e2ffd2744a",
    "11.0-RELEASE": "bb80ededf207c48122434833b83110225b798fb31273051fcb64316ff782c1ef",
    "11.1-RELEASE": "62acaee7e7c9df66ee2c0c2d533d1da0ddf67d32833bc4b77d935ddd9fe27dab",
    "11.2-RELEASE": "a002be690462ad4f5f2ada6d01784836946894ed9449de6289b3e67d8496fd19",
    "11.3-RELEASE": "4599023ac136325b86f2fddeec64c1624daa83657e40b00b2ef944c81463a4ff",
    "11.4-RELEASE": "3bac8257bdd5e5b071f7b80cc591ebecd01b9314ca7839a2903096cbf82169f9",
    "12.0-RELEASE": "360df303fac75225416ccc0c32358333b90ebcd58e54d8a935a4e13f158d3465",
    "12.1-RELEASE": "7a0de3237547315fe6404c651c44b356ee7b9a4bfa6ab022c2734237c3d66ded",
    "12.2-RELEASE": "8bd49ce35c340a04029266fbbe82b1fdfeb914263e39579eecafb2e67d00693a",
    "12.3-RELEASE": "e85b256930a2fbc04b80334106afecba0f11e52e32ffa197a88d7319cf059840",
    "12.4-RELEASE": "581c7edacfd2fca2bdf5791f667402d22fccd8a5e184635e0cac075564d57aa8",
    "13.1-RELEASE": "565baf7cf520cedfa01c5260f6a614b71c5e2b37ba3ee22e1342906548aa24ad",
    "13.2-RELEASE": "3a9250f7afd730bbe274691859756948b3c57a99bcda30d65d46ae30025906f0",
    "13.3-RELEASE": "d10531d663cee5efeb7d696ca84ce90adacd1fae14dd249628fb74da0c7c2820",
    "13.4-RELEASE": "8e13b0a93daba349b8d28ad246d7beb327659b2ef4fe44d89f447392daec5a7c",
    "13.5-RELEASE": "5307c7699365834c9dd66216b774197af34c62b68fa9f526651c7081d8e1c5a5",
    "14.0-RELEASE": "05a7c268aa4bdc5eb178f4611875acaaee5b210b7b57ecc2445345ac839b7cb8",
    "14.1-RELEASE": "bb451694e8435e646b5ff7ddc5e94d5c6c9649f125837a34b2a2dd419732f347",
    "14.2-RELEASE": "e3971a3d4f36ed1ac67d2e7a5501726de79dd3695aa76bfad2a4ebe91a88a134",
    "14.3-RELEASE": "e38b5cf756d60086a6c2f736eff19cc7685f7e2313e31d14342fc8df57200a92",
    "14.4-RELEASE": "769f60a6eea2938ad6b7943cfbcc17dfaf7d1f7ba59a32b869a00349302df853",
    "14.5-RELEASE": "d16b68fe0e9e136ce67ab1084042c848bbffecd1eb295f206bd1c6785deb45a4",
    "15.0-RELEASE": "ac0c933cc02ee8af4da793f551e4a9a15cdcf0e67851290b1e8c19dd6d30bba8",
    "15.1-RELEASE": "3768988b151c20f965679062b065c63a977d6bbb9f47fd83695ec2c40790c18f",
}

#: The newest release that is known here.
NEWEST = max(BASE_TXZ, key=number_of)
