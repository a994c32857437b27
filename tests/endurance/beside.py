"""A backup restored beside production (RCV-5), interrupted: production must not notice, and nothing half restored may answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from endurance.rig import LEDGERS, BrokenPromiseError, Rig, expect

DRILL = "drill-1"
ROOT = "/var/lib/postgresql/scratch"
INSTANCE = "his-look"
SOCKET = f"/run/recovery/recovery-scratch-{INSTANCE}/socket"


class BesideRig(Rig):
    """Nothing is broken here: people go on working while a backup comes to life on the drill host."""

    def destroy(self) -> None:
        """Remember what the hospital holds; there is nothing to destroy."""
        self.remember()

    def nothing_half_answers(self) -> None:
        """Production is as it was; if the instance answers, it is a whole one."""
        self.check_production()
        if self._scratch("select 1", accept=(0, 1, 2)) == "1" and self._scratch("select pg_is_in_recovery()") == "f":
            self.check_instance()

    def check_end(self, incidents: Sequence[Path]) -> None:
        """The instance holds what production held, production went on, and what was restored can be taken away without a trace."""
        self.check_production()
        self.check_instance()
        self.check_archiving()
        self.call("recovery", "run", "database_release", "-e", "mode=beside")
        left = str(self.hospital.host(DRILL).check_output(f"ls -A {ROOT} 2>/dev/null || true")).strip()
        expect(left, "", "something is left of the instance")
        self.check_evidence(incidents)

    def check_production(self) -> None:
        """Production still is the server that it was, serves, and has lost nothing."""
        expect(self.hospital.identity(), self.before["identity"], "production was touched")
        self.check_data()
        self.check_wards()

    def check_instance(self) -> None:
        """The instance has what nobody changes to the last byte, and of what people enter at least what was there before."""
        found = {table: self._scratch(f"select md5(string_agg(t::text, '|' order by id)) from {table} t") for table in self.hospital.MASTER}  # noqa: S608
        expect(found, self.before["master"], "the instance holds something else than production")
        held = {table: int(self._scratch(f"select count(*) from {table}")) for table in LEDGERS}  # noqa: S608
        shorter = {table: number for table, number in held.items() if number < self.before["counts"][table]}
        expect(shorter, {}, "the instance holds less than production did before")

    def _scratch(self, query: str, accept: Sequence[int] = (0,)) -> str:
        command = "runuser -u postgres -- psql -X -q -A -t -v ON_ERROR_STOP=1 -h %s -d his -c %s"
        done = self.hospital.host(DRILL).run(command, SOCKET, query)
        if done.rc not in accept:
            raise BrokenPromiseError(f"The instance did not answer to: {query}\n{done.stderr}")
        return str(done.stdout).strip()
