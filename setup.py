"""Build hooks: put ``mteb_hybrid.pth`` at the root of every wheel, an editable one included.

The file is the one line through which a Python start-up comes to know the plugin, see mteb_hybrid/_autoload.py.
setuptools has no declarative way to install a file beside the packages, hence these two small commands.
"""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.editable_wheel import editable_wheel

PTH = "mteb_hybrid.pth"


class BuildPyWithPth(build_py):
    """Copies the .pth beside the packages of a normal build."""

    def run(self):  # noqa: D102
        super().run()
        if not self.editable_mode:
            Path(self.build_lib).mkdir(parents=True, exist_ok=True)
            self.copy_file(PTH, self.build_lib)

    def get_outputs(self, include_bytecode=True):  # noqa: D102
        return [*super().get_outputs(include_bytecode), str(Path(self.build_lib, PTH))]


class EditableWheelWithPth(editable_wheel):
    """Copies the .pth into the unpacked editable wheel before it is zipped."""

    def _run_build_commands(self, dist_name, unpacked_wheel, build_lib, tmp_dir):
        built = super()._run_build_commands(dist_name, unpacked_wheel, build_lib, tmp_dir)
        self.copy_file(PTH, str(unpacked_wheel))
        return built


setup(cmdclass={"build_py": BuildPyWithPth, "editable_wheel": EditableWheelWithPth})
