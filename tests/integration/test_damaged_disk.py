"""The operator's page on a damaged disk and on a part of the store that is missing, followed as it stands there."""

import json
import poplib
import re
import shutil

import pytest
from conftest import ALICE, BOB, CAROL, PASSWORDS
from operations import Operator, example, quoted
from test_store import EX_CONFIG, EX_IOERR, flip, listed, message, place_of

EX_TEMPFAIL = 75
HERE, MISSING = "A damaged disk", "A part of the store is missing"
COUNT = 20  # Of Alice's messages; most are of nearly a MiB, so that they take three segments.


@pytest.fixture
def operator(new_server, tmp_path):
    """With a good backup."""
    server = new_server(store="partitions = 1\nsegment_mib = 8")
    for number in range(COUNT):
        server.deliver([ALICE], message(number, 900_000 if number % 4 else 500))
    server.deliver([ALICE], message(100, 1_500_000))
    server.deliver([BOB, CAROL], message(200))
    server.kept = {user: listed(server, user) for user in PASSWORDS}
    made = Operator(server, tmp_path / "operator")
    made.back_up()
    made.words["pNNN"] = "p000"
    return made


def unreadable(server, user):
    """Numbers of messages that are refused."""
    client = server.pop3(user, PASSWORDS[user])
    refused = []
    for number in range(1, client.stat()[0] + 1):
        try:
            client.retr(number)
        except poplib.error_proto as error:
            assert error.args[0].startswith(b"-ERR [SYS/PERM] "), error
            refused.append(number)
    client.quit()
    return refused


def all_is_well(operator):
    server = operator.server
    assert operator.stopped("poplar store verify").endswith(": all sound\n")
    return all(listed(server, user) == kept for user, kept in server.kept.items())


def copy_what_is_left(operator):
    """By step 1."""
    command, _, _ = example("umask 077 .*password.*").partition("sqlite3")
    said = operator.follow(command, ends_with=EX_IOERR, instead={"2026-11-26": "damaged"})
    assert "the copy is made, but without 1 file" in said


def test_a_segment_that_is_lost_and_found(operator):
    server = operator.server
    server.stop()
    segment = sorted((server.directory / "store/p000/log").glob("*.seg"))[0]
    found = operator.folder / segment.name
    shutil.move(segment, found)
    server.start()
    assert len(unreadable(server, ALICE)) > 5
    copy_what_is_left(operator)
    server.says(f"store_snapshot_missing file={segment}")
    # Step 3, on that copy while the server serves.
    said = operator.follow(example(r"printf '\[store\].*"), ends_with=EX_IOERR, instead={"2026-11-26": "damaged"})
    [(tenant, account)] = set(re.findall(r"^partition 0, at .* \(tenant (\d+), account (\w+), message ", said, re.M))
    [user] = [user for user in json.loads(operator.follow(quoted(HERE, "poplar user list --json"))) if user["account"] == account]
    assert user["address"] == ALICE
    shown = json.loads(operator.follow(quoted(HERE, "poplar mailbox show --json ADDRESS"), instead={"ADDRESS": ALICE}))
    assert (str(shown["tenant"]["id"]), shown["account"]) == (tenant, account)
    # Step 4, by address and otherwise.
    dump = quoted(HERE, "poplar store dump maildrop ADDRESS")
    for address in (ALICE, f"{tenant}/{account}"):
        told = operator.follow(f"{dump} {quoted(HERE, '--config that.toml')}", instead={"ADDRESS": address})
        assert f" messages={COUNT + 1} " in told
        assert operator.stopped(dump, instead={"ADDRESS": address}) == told
    # Step 6.
    operator.stopped(f"mv {found} STORE/pNNN/log/\npoplar store rebuild-index")
    assert all_is_well(operator)


def test_whose_a_damaged_list_is(operator):
    server = operator.server
    [user] = [user for user in server.run_json("user", "list") if user["address"] == ALICE]
    account, tenant = user["account"].encode(), server.run_json("mailbox", "show", ALICE)["tenant"]["id"]
    server.stop()
    index = server.directory / "store/p000/index/data.mdb"
    octets = bytearray(index.read_bytes())
    for key in re.finditer(re.escape(account), octets):
        octets[key.end() + 32] ^= 1  # Of what stands under it.
    index.write_bytes(octets)
    server.start()
    with pytest.raises(poplib.error_proto, match=r"\[SYS/PERM\]"):
        server.pop3(ALICE, PASSWORDS[ALICE])
    asked = quoted(HERE, "poplar mailbox show --json ADDRESS") + " 2>error.txt"
    shown = json.loads(operator.follow(asked, ends_with=EX_IOERR, instead={"ADDRESS": ALICE}))
    assert (shown["tenant"]["id"], shown["account"], shown["use"]) == (tenant, user["account"], None)
    assert shown["why"] in (operator.folder / "error.txt").read_text()
    assert listed(server, BOB) == server.kept[BOB]
    operator.stopped(quoted(HERE, "poplar store rebuild-index"))
    assert all_is_well(operator)


def test_what_is_lost_comes_from_the_backup(operator):
    server = operator.server
    server.stop()
    flip(server, b"Subject: 8\r\n\r\n")
    server.start()
    said = operator.stopped("! poplar store verify")
    assert ": 1 damage\n" in said
    [number] = re.findall(r"^partition 0, at (\w+):\w+: the body of a record is damaged ", said, re.M)
    said = operator.follow(quoted(HERE, "poplar store dump segment NUMBER --partition N"), ends_with=EX_IOERR,
                           instead={"NUMBER": number, "--partition N": "--partition 0"})
    assert "DAMAGED the body of a record is damaged" in said and "0123456789abcdef" not in said
    assert unreadable(server, ALICE) == [9]
    with operator.rescue("alpha") as rescue:
        # What is damaged counts as present while it stands in the list.
        assert f" 0 imported, {COUNT + 1} there before" in operator.fetch_from(rescue, ALICE, PASSWORDS[ALICE])
        operator.stopped(f"! {quoted(HERE, 'poplar store rebuild-index')}")
        assert unreadable(server, ALICE) == []
        assert f" 1 imported, {COUNT} there before" in operator.fetch_from(rescue, ALICE, PASSWORDS[ALICE])
    assert sorted(listed(server, ALICE)) == sorted(server.kept[ALICE])
    # Its segment stays, and is named.
    assert ": 1 damage\n" in operator.stopped("! poplar store verify")


def test_a_damaged_blob(operator):
    server = operator.server
    server.stop()
    blob = flip(server, b"Subject: 100\r\n\r\n")
    assert blob.suffix == ".blob"
    server.start()
    shown = operator.stopped(quoted(HERE, "poplar store dump maildrop ADDRESS"), instead={"ADDRESS": ALICE})
    [name] = re.findall(r" blob=(\S+)", shown)
    folder = quoted(HERE, "STORE/pNNN/blobs/")
    assert "a blob is damaged" in operator.stopped("! poplar store verify")
    operator.stopped(f"cp /backup/2026-11-26/pNNN/blobs/{name} {folder}{name}")
    assert all_is_well(operator)


def test_an_index_is_made_anew(operator):
    server = operator.server
    for command in (quoted(HERE, "poplar store rebuild-index"), f"{quoted(HERE, 'poplar store rebuild-index')} {quoted(HERE, '--partition N')}",
                    f"{quoted(HERE, 'poplar store rebuild-index')} {quoted(HERE, '--discard-old')}"):
        operator.stopped(command, instead={"--partition N": "--partition 0"})
    olds = {path.name for path in (server.directory / "store/p000").glob("index.*")}
    assert olds == {"index.old-0", "index.old-1"}
    operator.stopped(quoted(HERE, "rm -r STORE/pNNN/index"))
    assert all_is_well(operator)
    shutil.rmtree(server.directory / "store/p000/index.old-0")
    shutil.rmtree(server.directory / "store/p000/index.old-1")
    # One that cannot be read the start sets aside by itself.
    server.stop()
    (server.directory / "store/p000/index/data.mdb").write_bytes(b"garbage" * 10_000)
    server.start()
    server.says("store_index_set_aside")
    assert (server.directory / "store/p000/index.damaged-0").is_dir()
    assert all_is_well(operator)


def test_a_segment_of_which_nothing_can_be_read(operator):
    server = operator.server
    server.stop()
    shutil.rmtree(server.directory / "store/p000/index")  # So that the start needs all of the log.
    segment = sorted((server.directory / "store/p000/log").glob("*.seg"))[0]
    disk = segment.with_suffix(".disk")
    segment.rename(disk)
    segment.symlink_to(segment.name)  # To itself.
    refused = server.run("serve", check=False)
    assert refused.returncode == EX_TEMPFAIL and str(segment) in refused.stderr.decode(), refused
    said = operator.follow("! poplar store verify")
    assert segment.stem in said
    operator.follow(f"mv {segment} {operator.folder}/aside")
    server.start()
    assert unreadable(server, ALICE) == [] and 5 < len(listed(server, ALICE)) < COUNT
    assert listed(server, BOB) == server.kept[BOB]
    # The disk answers once more.
    operator.stopped(f"mv {disk} {segment}\npoplar store rebuild-index")
    assert all_is_well(operator)


# --- A part of the store is missing.
@pytest.fixture
def spread(new_server, tmp_path):
    """With people in several partitions, and a good backup; `homes`: of each, the partition's folder."""
    server = new_server(store="partitions = 4\nsegment_mib = 8")
    people = {f"user{number}@alpha.example": PASSWORDS[ALICE] for number in range(12)}
    for number, (address, password) in enumerate(people.items(), 1000):
        server.add_user(address, password)
        server.deliver([address], message(number))
    made = Operator(server, tmp_path / "operator")
    made.back_up()
    made.people = people
    made.homes = {address: place_of(server, b"Subject: %d\r\n\r\n" % number)[0].parts[-3] for number, address in enumerate(people, 1000)}
    assert len(set(made.homes.values())) > 1
    return made


def mail_of(server, people):
    return {address: listed(server, address, password) for address, password in people.items()}


def refusal(server, code):
    result = server.run("serve", check=False)
    assert result.returncode == code, result
    return result.stderr.decode()


@pytest.mark.parametrize("part", ["pNNN", "pNNN/log"])
def test_a_part_that_is_missing(spread, part):
    server, victim = spread.server, next(iter(spread.people))
    kept = mail_of(server, spread.people)
    spread.words["pNNN"] = spread.homes[victim]
    missing = server.directory / "store" / part.replace("pNNN", spread.homes[victim])
    server.stop()
    missing.rename(spread.folder / "elsewhere")
    said = refusal(server, EX_IOERR)
    assert f"{server.directory}/store/{spread.homes[victim]}: " in said and MISSING in said
    (spread.folder / "elsewhere").rename(missing)
    server.start()
    assert mail_of(server, spread.people) == kept
    # Lost for good.
    server.stop()
    shutil.rmtree(missing)
    refusal(server, EX_IOERR)
    spread.stopped(quoted(MISSING, "rm -rf STORE.*"))
    for address, mail in mail_of(server, spread.people).items():
        assert mail == ([] if spread.homes[address] == spread.homes[victim] else kept[address])
    server.deliver([victim], message(2000))
    later = listed(server, victim, spread.people[victim])
    with spread.rescue("alpha") as rescue:
        spread.fetch_from(rescue, victim, spread.people[victim])
    assert listed(server, victim, spread.people[victim]) == later + kept[victim]
    assert spread.stopped("poplar store verify").endswith(": all sound\n")


def test_the_superblock_is_missing(spread):
    server = spread.server
    store = server.directory / "store"
    kept = mail_of(server, spread.people)
    server.stop()
    sound = (store / "superblock").read_bytes()
    (store / "superblock").unlink()
    server.start()
    server.says("store_superblock_damaged")
    assert (store / "superblock").read_bytes() == sound and mail_of(server, spread.people) == kept
    server.stop()
    for path in store.glob("superblock*"):
        path.unlink()
    there = sorted(store.rglob("*"))
    assert "put `superblock` back" in refusal(server, EX_IOERR)
    for command in (["init", str(server.directory)], ["doctor", "--config", str(server.config_path)]):
        result = server.run(*command, config=False, check=False)
        assert result.returncode != 0 and b"put `superblock` back" in result.stdout + result.stderr, result
    assert sorted(store.rglob("*")) == there
    spread.stopped(quoted(MISSING, "cp -a .*superblock"))
    assert mail_of(server, spread.people) == kept


def test_all_of_the_store_is_missing(spread):
    server = spread.server
    server.stop()
    shutil.rmtree(server.directory / "store")
    assert "mounted" in refusal(server, EX_CONFIG)
    result = server.run("init", str(server.directory), config=False, check=False)
    assert result.returncode != 0 and not (server.directory / "store").exists(), result
    spread.follow(example("umask 077\n    systemctl stop.*").replace("mv /var/lib/poplar/store ", "true "))
    assert all(len(mail) == 1 for mail in mail_of(server, spread.people).values())
