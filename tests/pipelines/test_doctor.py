"""The doctor says what is there, and what to do where it is not."""

from pipelines import doctor


def test_everything_a_run_needs_is_looked_at_and_found():
    findings = {finding.what: finding for finding in doctor.examine()}
    assert {"Python", "memory", "torch", "pycolmap", "zarr", "ray", "GPU"} <= set(findings)
    assert [f.what for f in findings.values() if f.mark == "MISSING"] == []


def test_a_library_that_does_not_load_comes_with_the_remedy(monkeypatch):
    def broken(name):
        raise OSError("libusb-1.0.so.0: cannot open shared object file")

    monkeypatch.setattr(doctor.importlib, "import_module", broken)
    finding = doctor._module("open3d")
    assert finding.mark == "MISSING"
    assert "libusb" in finding.found
    assert "apt-get install" in finding.advice
