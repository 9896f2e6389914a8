"""Keep or renew: every reason, and what a renewal leaves trusted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from slipstream_operator.certificates.authority import AUTHORITY_LIFE, CERTIFICATE_LIFE, new_authority, new_certificate
from slipstream_operator.certificates.decide import bundle_of, decide, join, managed_elsewhere
from slipstream_operator.certificates.keep import renewed

NOW = datetime(2026, 9, 1, tzinfo=UTC)
NAMES = ["slipstream-injector.slipstream-system.svc", "slipstream-injector.slipstream-system.svc.cluster.local"]


def fresh(now: datetime = NOW, names: list[str] | None = None) -> dict[str, bytes]:
    return renewed(decide({}, NAMES, now), {}, names or NAMES, now)


def test_an_empty_secret_gets_everything() -> None:
    """As it is shipped."""
    assert decide({}, NAMES, NOW).action == "RenewAuthority"
    assert set(fresh()) == {"ca.crt", "ca.key", "tls.crt", "tls.key"}


def test_what_was_just_made_is_kept() -> None:
    """And is known to be good for two thirds of the certificate's life."""
    decision = decide(fresh(), NAMES, NOW)
    assert decision.action == "Keep"
    assert decision.until is not None
    assert abs(decision.until - (NOW + CERTIFICATE_LIFE * 2 / 3)) < timedelta(hours=2)


@pytest.mark.parametrize(("part", "action"), [(0.66, "Keep"), (0.67, "RenewCertificate"), (2.0, "RenewCertificate")])
def test_a_certificate_is_renewed_at_two_thirds_of_its_life(part: float, action: str) -> None:
    """Not before, and also long after."""
    assert decide(fresh(), NAMES, NOW + CERTIFICATE_LIFE * part).action == action


@pytest.mark.parametrize(("part", "action"), [(0.66, "RenewCertificate"), (0.67, "RenewAuthority")])
def test_an_authority_is_renewed_at_two_thirds_of_its_life(part: float, action: str) -> None:
    """Until then only the certificate is."""
    assert decide(fresh(), NAMES, NOW + AUTHORITY_LIFE * part).action == action


def test_a_new_certificate_keeps_the_authority() -> None:
    """Nobody who trusts the bundle has to learn anything."""
    old = fresh()
    later = NOW + CERTIFICATE_LIFE
    new = renewed(decide(old, NAMES, later), old, NAMES, later)
    assert (new["ca.crt"], new["ca.key"]) == (old["ca.crt"], old["ca.key"])
    assert new["tls.crt"] != old["tls.crt"]
    assert decide(new, NAMES, later).action == "Keep"


def test_a_new_authority_leaves_the_old_one_trusted() -> None:
    """Injectors serve the old certificate for some seconds more; an expired authority goes."""
    old = fresh()
    later = NOW + AUTHORITY_LIFE * 0.7
    new = renewed(decide(old, NAMES, later), old, NAMES, later)
    assert [c.subject for c in bundle_of(new)][1:] == [c.subject for c in bundle_of(old)]
    assert decide(new, NAMES, later).action == "Keep"
    much_later = NOW + AUTHORITY_LIFE * 3
    assert len(bundle_of(renewed(decide(new, NAMES, much_later), new, NAMES, much_later))) == 1


def test_a_bundle_stays_small() -> None:
    """However often somebody forces a new authority."""
    data: dict[str, bytes] = {}
    for day in range(6):
        data = renewed(decide({**data, "ca.key": b""}, NAMES, NOW), data, NAMES, NOW + timedelta(days=day))
    assert len(bundle_of(data)) == 3


@pytest.mark.parametrize(
    ("change", "action"),
    [
        ({"tls.crt": b"nonsense"}, "RenewCertificate"),
        ({"tls.key": b"nonsense"}, "RenewCertificate"),
        ({"tls.key": b""}, "RenewCertificate"),
        ({"tls.key": fresh()["tls.key"]}, "RenewCertificate"),
        ({k: v for k, v in fresh().items() if k.startswith("tls")}, "RenewCertificate"),
        ({k: v for k, v in fresh(names=["other.svc"]).items() if k.startswith("tls")}, "RenewCertificate"),
        ({"ca.crt": b"nonsense"}, "RenewAuthority"),
        ({"ca.key": fresh()["ca.key"]}, "RenewAuthority"),
        ({"ca.key": b""}, "RenewAuthority"),
        ({}, "Keep"),
    ],
)
def test_what_does_not_fit_together_is_renewed(change: dict[str, bytes], action: str) -> None:
    """Unreadable, another's, or for another name; the last row is the control."""
    assert decide({**fresh(), **change}, NAMES, NOW).action == action


def test_other_names_need_another_certificate() -> None:
    """A Service of another name or namespace."""
    assert decide(fresh(), [*NAMES, "elsewhere.svc"], NOW).action == "RenewCertificate"


def test_a_certificate_from_the_future_is_renewed() -> None:
    """The API server would refuse it until then."""
    assert decide(fresh(NOW + timedelta(days=2)), NAMES, NOW).action == "RenewCertificate"


def test_an_authority_that_was_not_made_here_is_replaced() -> None:
    """An RSA key, say: it can't sign what we make."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW + timedelta(days=10))
    foreign = builder.sign(key, hashes.SHA256())
    pem = foreign.public_bytes(Encoding.PEM)
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert decide({"ca.crt": pem, "ca.key": text}, NAMES, NOW).action == "RenewAuthority"


def test_a_certificate_never_outlives_its_authority() -> None:
    """Else it would fail while it says that it is valid."""
    authority = new_authority(NOW)
    late = NOW + AUTHORITY_LIFE - timedelta(days=10)
    certificate = x509.load_pem_x509_certificate(new_certificate(authority, NAMES, late).certificate)
    assert certificate.not_valid_after_utc <= x509.load_pem_x509_certificate(authority.certificate).not_valid_after_utc


def test_keys_show_up_in_no_repr() -> None:
    """Logs are read by many."""
    authority = new_authority(NOW)
    assert b"PRIVATE" in authority.key
    assert "PRIVATE" not in repr(authority)


def test_a_secret_of_cert_manager_is_left_alone() -> None:
    """Two managers would renew for ever."""
    assert managed_elsewhere({"cert-manager.io/certificate-name": "x"})
    assert not managed_elsewhere({"kubectl.kubernetes.io/last-applied-configuration": "{}"})


def test_a_bundle_names_the_current_authority_first() -> None:
    """That is how the current one is found again."""
    first, second = new_authority(NOW), new_authority(NOW)
    bundle = join(second.certificate, bundle_of({"ca.crt": first.certificate}), NOW)
    assert bundle == second.certificate + first.certificate
