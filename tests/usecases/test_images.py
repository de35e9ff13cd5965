"""Images, whatever comes twice, at once, late, out of order or not at all."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from chalicelib.domain.errors import Invalid, NotFound, PreconditionFailed, Unavailable
from chalicelib.domain.files import Upload
from chalicelib.domain.images import Image, ImageDetails, ImageStatus, Rejection
from chalicelib.domain.paging import PageRequest
from chalicelib.usecases import images
from tests.builders import a_caller
from tests.usecases.order_flow import Crash
from tests.usecases.test_invoicing import at_once
from tests.wired import MemoryWired

ADA = a_caller()
DETAILS = ImageDetails(filename="Garten + Söhne 🏡.jpg", content_type="image/jpeg")
GOOD, BETTER, BAD = b"1800x1200 a garden", b"300x300 a better garden", b"no image"
SIZES = ["100x", "200x", "200x200", "400x"]


@pytest.fixture
def shop() -> MemoryWired:
    return MemoryWired()


def add(shop: MemoryWired) -> str:
    return images.add_image(ADA, DETAILS, desk=shop).image.id


def kept(shop: MemoryWired, image_id: str) -> Image:
    return shop.store.images.get("acc_1", image_id)


def upload_of(shop: MemoryWired, image_id: str) -> Upload:
    key = f"uploads/acc_1/{image_id}/{DETAILS.filename}"
    return Upload(account_id="acc_1", file_id=image_id, key=key)


def put(shop: MemoryWired, image_id: str, content: bytes = GOOD) -> Upload:
    upload = upload_of(shop, image_id)
    shop.stored.put(upload.key, content, DETAILS.content_type)
    return upload


def make(shop: Any, upload: Upload) -> None:
    images.make_thumbnails(upload, desk=shop)


def thumbnails(shop: MemoryWired, image_id: str) -> dict[str, bytes]:
    """What the links of the image lead to; fails if they lead nowhere."""
    contents = shop.stored.contents()
    image = kept(shop, image_id)
    return {
        one.name: contents[f"thumbnails/{one.name}/acc_1/{image_id}/{DETAILS.filename}"][one.version_id]
        for one in image.thumbnails
    }


def drawn_from(content: bytes) -> dict[str, bytes]:
    return {name: f"{name} image/jpeg of ".encode() + content for name in SIZES}


def objects(shop: MemoryWired) -> dict[str, list[bytes]]:
    return {key: list(versions.values()) for key, versions in shop.stored.contents().items()}


# Adding and showing


def test_a_new_image_comes_with_the_form_for_its_own_key(shop: MemoryWired) -> None:
    added = images.add_image(ADA, DETAILS, desk=shop)

    assert added.image.status is ImageStatus.PENDING
    assert added.image.id.startswith("img_")
    assert added.upload.fields["key"] == f"uploads/acc_1/{added.image.id}/{DETAILS.filename}"
    assert added.upload.fields["Content-Type"] == "image/jpeg"
    assert added.upload.url.endswith("most=20971520")
    assert added.thumbnails == {}


def test_the_answer_that_was_lost_can_be_given_again(shop: MemoryWired) -> None:
    added = images.add_image(ADA, DETAILS, desk=shop)

    assert images.get_added_image(ADA, added.image.id, desk=shop) == added


def test_nothing_is_kept_of_an_image_that_is_refused(shop: MemoryWired) -> None:
    with pytest.raises(Invalid):
        images.add_image(ADA, ImageDetails(filename="a/b.jpg", content_type="image/jpeg"), desk=shop)

    assert shop.tables()["images"] == {}


def test_an_upload_becomes_four_thumbnails(shop: MemoryWired) -> None:
    image_id = add(shop)

    make(shop, put(shop, image_id))

    shown = images.get_image(ADA, image_id, gallery=shop)
    assert (shown.image.status, shown.image.width, shown.image.height) == (ImageStatus.READY, 1800, 1200)
    sides = {name: (one.width, one.height) for name, one in shown.thumbnails.items()}
    assert sides == {"100x": (100, 67), "200x": (200, 133), "400x": (400, 267), "200x200": (200, 200)}
    assert thumbnails(shop, image_id) == drawn_from(GOOD)
    assert objects(shop)[upload_of(shop, image_id).key] == [GOOD], "the original stays"


def test_a_link_leads_to_the_version_that_stands_on_the_image(shop: MemoryWired) -> None:
    image_id = add(shop)
    make(shop, put(shop, image_id))

    shown = images.get_image(ADA, image_id, gallery=shop)

    versions = {one.name: one.version_id for one in shown.image.thumbnails}
    assert all(f"versionId={versions[name]}&" in one.url for name, one in shown.thumbnails.items())
    assert all("type=image/jpeg" in one.url for one in shown.thumbnails.values())


def test_images_are_listed_newest_first_with_their_links(shop: MemoryWired) -> None:
    first, second, third = add(shop), add(shop), add(shop)
    make(shop, put(shop, second))
    images.remove_image(ADA, third, desk=shop)

    page = images.list_images(ADA, PageRequest(limit=5), gallery=shop)

    assert [(shown.image.id, sorted(shown.thumbnails)) for shown in page.items] == [(second, SIZES), (first, [])]
    assert images.list_images(replace(ADA, account_id="acc_2"), PageRequest(limit=5), gallery=shop).items == ()


# What cannot be taken


def test_what_is_no_image_is_rejected_with_the_reason_and_removed(shop: MemoryWired) -> None:
    image_id = add(shop)

    make(shop, put(shop, image_id, BAD))

    image = kept(shop, image_id)
    assert (image.status, image.reason) == (ImageStatus.REJECTED, Rejection.NO_IMAGE)
    assert objects(shop) == {}


def test_what_is_too_large_is_not_even_read(shop: MemoryWired) -> None:
    image_id = add(shop)

    make(shop, put(shop, image_id, bytes(20 * 1024 * 1024 + 1)))

    assert kept(shop, image_id).reason == Rejection.TOO_MANY_BYTES
    assert shop.thumbnailer.drawn == []
    assert objects(shop) == {}


def test_a_fault_of_ours_rejects_nothing(shop: MemoryWired, monkeypatch: pytest.MonkeyPatch) -> None:
    image_id = add(shop)
    upload = put(shop, image_id)

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(shop.thumbnailer, "draw", fail)
        with pytest.raises(ZeroDivisionError):
            make(shop, upload)
    assert kept(shop, image_id).status is ImageStatus.PENDING

    make(shop, upload)
    assert kept(shop, image_id).status is ImageStatus.READY


# Twice, late, out of order


@pytest.mark.parametrize("content", [GOOD, BAD])
def test_the_same_event_again_changes_nothing(shop: MemoryWired, content: bytes) -> None:
    image_id = add(shop)
    upload = put(shop, image_id, content)
    make(shop, upload)
    before = shop.state()

    for _ in range(3):
        make(shop, upload)

    assert shop.state() == before
    assert shop.thumbnailer.drawn == [content]


def test_the_events_of_two_uploads_end_in_the_newer_one_however_they_come(shop: MemoryWired) -> None:
    image_id = add(shop)
    put(shop, image_id, GOOD)
    upload = put(shop, image_id, BETTER)

    make(shop, upload)
    make(shop, upload)

    assert thumbnails(shop, image_id) == drawn_from(BETTER)
    assert shop.thumbnailer.drawn == [BETTER]


@pytest.mark.parametrize(
    ("contents", "status", "left"),
    [
        ([GOOD, BETTER], ImageStatus.READY, [GOOD, BETTER]),
        ([GOOD, BAD], ImageStatus.REJECTED, []),
        ([BAD, GOOD], ImageStatus.READY, [GOOD]),
        ([BAD, BAD], ImageStatus.REJECTED, []),
    ],
)
def test_a_newer_upload_takes_the_place_of_the_older(
    shop: MemoryWired, contents: list[bytes], status: ImageStatus, left: list[bytes]
) -> None:
    image_id = add(shop)
    for content in contents:
        make(shop, put(shop, image_id, content))

    assert kept(shop, image_id).status is status
    assert objects(shop).pop(upload_of(shop, image_id).key, []) == left
    thumbnails_left = [versions for key, versions in objects(shop).items() if key.startswith("thumbnails/")]
    assert [len(versions) for versions in thumbnails_left] == [1] * (4 if status is ImageStatus.READY else 0)


def test_an_event_for_another_key_than_the_images_own_is_left_alone(shop: MemoryWired) -> None:
    image_id = add(shop)
    stray = Upload(account_id="acc_1", file_id=image_id, key=f"uploads/acc_1/{image_id}/other.jpg")
    shop.stored.put(stray.key, GOOD, "image/jpeg")
    before = shop.state()

    make(shop, stray)

    assert shop.state() == before


def test_an_upload_for_an_image_that_is_gone_is_removed(shop: MemoryWired) -> None:
    image_id = add(shop)
    images.remove_image(ADA, image_id, desk=shop)

    make(shop, put(shop, image_id))

    assert objects(shop) == {}


def test_an_upload_whose_file_is_gone_is_no_matter(shop: MemoryWired) -> None:
    image_id = add(shop)
    before = shop.state()

    make(shop, upload_of(shop, image_id))

    assert shop.state() == before


# At once: what happens between a read and a write


@dataclass
class Interrupted:
    """The application, in which something happens before the given call of that method, once."""

    shop: MemoryWired
    method: str
    happens: Callable[[], object]

    def __getattr__(self, name: str) -> Any:
        part = getattr(self.shop, name)
        if name not in {"images", "files", "uploads", "thumbnailer", "unsettled_images"}:
            return part
        return _Part(part, f"{name}.", self)


@dataclass
class _Part:
    part: Any
    prefix: str
    whole: Interrupted

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.part, name)
        if self.prefix + name != self.whole.method:
            return method

        def interrupted(*args: Any, **kwargs: Any) -> Any:
            happens, self.whole.happens = self.whole.happens, lambda: None
            happens()
            return method(*args, **kwargs)

        return interrupted


STEPS = ["images.get", "uploads.head", "uploads.read", "thumbnailer.draw", "files.put", "images.save"]


@pytest.mark.parametrize("step", STEPS)
def test_a_newer_upload_meanwhile_is_what_counts(shop: MemoryWired, step: str) -> None:
    image_id = add(shop)
    upload = put(shop, image_id)

    make(Interrupted(shop, step, lambda: make(shop, put(shop, image_id, BETTER))), upload)

    assert thumbnails(shop, image_id) == drawn_from(BETTER)
    assert all(len(versions) == 1 for key, versions in objects(shop).items() if key.startswith("thumbnails/"))


@pytest.mark.parametrize("step", STEPS)
def test_a_newer_upload_meanwhile_that_is_no_image_is_what_counts(shop: MemoryWired, step: str) -> None:
    image_id = add(shop)
    upload = put(shop, image_id)

    make(Interrupted(shop, step, lambda: make(shop, put(shop, image_id, BAD))), upload)

    assert kept(shop, image_id).status is ImageStatus.REJECTED
    assert objects(shop) == {}


@pytest.mark.parametrize("step", STEPS)
def test_the_same_event_twice_at_once_has_one_result(shop: MemoryWired, step: str) -> None:
    image_id = add(shop)
    upload = put(shop, image_id)

    make(Interrupted(shop, step, lambda: make(shop, upload)), upload)

    assert thumbnails(shop, image_id) == drawn_from(GOOD)
    assert all(len(versions) == 1 for versions in objects(shop).values())
    assert kept(shop, image_id).version == 2


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("content", [GOOD, BAD])
def test_nothing_is_left_of_an_image_that_is_removed_meanwhile(shop: MemoryWired, step: str, content: bytes) -> None:
    image_id = add(shop)
    upload = put(shop, image_id, content)
    if (content, step) == (BAD, "files.put"):
        return

    make(Interrupted(shop, step, lambda: images.remove_image(ADA, image_id, desk=shop)), upload)

    assert shop.tables()["images"] == {}
    assert objects(shop) == {}


@pytest.mark.parametrize("count", [1, 2, 4])
def test_thumbnails_of_who_was_slower_and_then_cut_off_do_not_stay_the_newest(
    shop: MemoryWired, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """The bucket removes what is not the newest after a week."""
    image_id = add(shop)
    upload = put(shop, image_id)
    whole = shop.files.put
    kept_so_far: list[str] = []

    def put_too_late(*file: Any) -> str:
        if not kept_so_far:
            with monkeypatch.context() as elsewhere:
                elsewhere.setattr(shop.files, "put", whole)
                make(shop, upload)
        kept_so_far.append(whole(*file))
        if len(kept_so_far) == count:
            raise Crash
        return kept_so_far[-1]

    with monkeypatch.context() as here:
        here.setattr(shop.files, "put", put_too_late)
        with pytest.raises(Crash):
            make(shop, upload)
    make(shop, upload)

    newest = {key: list(versions)[-1] for key, versions in shop.stored.contents().items()}
    for one in kept(shop, image_id).thumbnails:
        assert newest[f"thumbnails/{one.name}/acc_1/{image_id}/{DETAILS.filename}"] == one.version_id


def test_many_events_at_once_have_one_result(shop: MemoryWired) -> None:
    image_id = add(shop)
    upload = put(shop, image_id, GOOD)
    put(shop, image_id, BETTER)

    results = at_once(*[lambda: make(shop, upload)] * 8)

    assert results == [None] * 8
    assert thumbnails(shop, image_id) == drawn_from(BETTER)
    assert kept(shop, image_id).version == 2
    assert all(len(versions) == 1 for key, versions in objects(shop).items() if key.startswith("thumbnails/"))


# Cut off after each write


class Died(BaseException):
    """The end of a process, in the middle."""


@contextmanager
def dying_after(shop: MemoryWired, writes: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Yields the writes that were done; the process dies right after the last of them."""
    done: list[str] = []

    def mortal(part: object, name: str) -> None:
        method = getattr(part, name)

        def write(*args: Any, **kwargs: Any) -> Any:
            answer = method(*args, **kwargs)
            done.append(name)
            if len(done) == writes:
                raise Died
            return answer

        patch.setattr(part, name, write)

    with monkeypatch.context() as patch:
        for part, names in (
            (shop.store.images, ("save", "remove")),
            (shop.stored, ("put", "remove", "drop")),
            (shop.store.unsettled_images, ("finish",)),
        ):
            for name in names:
                mortal(part, name)
        yield done


@pytest.mark.parametrize(("before", "content"), [([], GOOD), ([], BAD), ([GOOD], BETTER), ([GOOD], BAD), ([BAD], GOOD)])
def test_cut_off_after_any_write_it_is_finished_by_the_next_attempt(
    shop: MemoryWired, monkeypatch: pytest.MonkeyPatch, before: list[bytes], content: bytes
) -> None:
    for writes in range(1, 30):
        image_id = add(shop)
        for earlier in before:
            make(shop, put(shop, image_id, earlier))
        upload = put(shop, image_id, content)
        with dying_after(shop, writes, monkeypatch) as done:
            try:
                make(shop, upload)
            except Died:
                pass
            else:
                assert len(done) < writes
                assert writes > 1
                return

        make(shop, upload)

        image = kept(shop, image_id)
        good = content != BAD
        assert image.status is (ImageStatus.READY if good else ImageStatus.REJECTED), done
        assert thumbnails(shop, image_id) == (drawn_from(content) if good else {}), done
        if not good:
            assert upload.key not in objects(shop), done
        images.remove_image(ADA, image_id, desk=shop)
        assert objects(shop) == {}, done
    pytest.fail("it writes without end")


def test_a_removal_that_is_cut_off_is_finished_by_whoever_asks_again(
    shop: MemoryWired, monkeypatch: pytest.MonkeyPatch
) -> None:
    for writes in range(1, 6):
        image_id = add(shop)
        make(shop, put(shop, image_id))
        with dying_after(shop, writes, monkeypatch), pytest.raises(Died):
            images.remove_image(ADA, image_id, desk=shop)
        with pytest.raises(NotFound):
            images.get_image(ADA, image_id, gallery=shop)

        with pytest.raises(NotFound):
            images.remove_image(ADA, image_id, desk=shop)

        assert objects(shop) == {}


# Removing


def test_a_removed_image_is_gone_with_its_objects(shop: MemoryWired) -> None:
    image_id, other = add(shop), add(shop)
    make(shop, put(shop, image_id))
    make(shop, put(shop, other))
    last = kept(shop, image_id)

    removed = images.remove_image(ADA, image_id, desk=shop)

    assert (removed.image, removed.thumbnails) == (last, {})
    assert {key.split("/")[-2] for key in objects(shop)} == {other}
    with pytest.raises(NotFound):
        images.get_image(ADA, image_id, gallery=shop)


def test_an_image_that_is_not_what_was_seen_stays(shop: MemoryWired) -> None:
    image_id = add(shop)
    make(shop, put(shop, image_id))
    before = shop.state()

    def refuse(shown: images.ShownImage) -> None:
        assert sorted(shown.thumbnails) == SIZES
        raise PreconditionFailed

    with pytest.raises(PreconditionFailed):
        images.remove_image(ADA, image_id, desk=shop, check=refuse)

    assert shop.state() == before


def test_another_accounts_image_is_neither_shown_nor_removed(shop: MemoryWired) -> None:
    image_id = add(shop)
    make(shop, put(shop, image_id))
    images.remove_image(ADA, add(shop), desk=shop)
    before = shop.state()

    for removed in (image_id, *(key.sk.partition("#")[2] for key in before["image_removals"])):
        with pytest.raises(NotFound):
            images.get_image(replace(ADA, account_id="acc_2"), removed, gallery=shop)
        with pytest.raises(NotFound):
            images.remove_image(replace(ADA, account_id="acc_2"), removed, desk=shop)

    assert shop.state() == before


def test_a_store_that_does_not_answer_leaves_the_rest_to_the_night(shop: MemoryWired, monkeypatch: pytest.MonkeyPatch) -> None:
    image_id = add(shop)
    make(shop, put(shop, image_id))

    def fail(*_: object) -> None:
        raise Unavailable

    with monkeypatch.context() as patch:
        patch.setattr(shop.stored, "remove", fail)
        with pytest.raises(Unavailable):
            images.remove_image(ADA, image_id, desk=shop)
    assert objects(shop) != {}

    images.look_after_images(shop.clock.advance(hours=24), desk=shop)

    assert objects(shop) == {}
    assert shop.tables()["image_removals"] == {}


# The night


def night(shop: MemoryWired, **later: float) -> int:
    return images.look_after_images(shop.clock.advance(**later), desk=shop)


def test_an_image_that_was_never_uploaded_is_rejected_after_a_day(shop: MemoryWired) -> None:
    image_id = add(shop)
    assert night(shop, hours=23, minutes=59) == 0
    assert kept(shop, image_id).status is ImageStatus.PENDING

    assert night(shop, minutes=1) == 1

    image = kept(shop, image_id)
    assert (image.status, image.reason) == (ImageStatus.REJECTED, Rejection.NEVER_UPLOADED)
    assert night(shop, days=3) == 0


def test_an_image_that_could_never_be_processed_is_rejected_and_removed(shop: MemoryWired) -> None:
    image_id = add(shop)
    upload = put(shop, image_id)

    assert night(shop, hours=24) == 1

    assert kept(shop, image_id).reason == Rejection.NOT_PROCESSED
    assert objects(shop) == {}
    make(shop, upload)
    assert kept(shop, image_id).status is ImageStatus.REJECTED


def test_the_night_leaves_alone_what_is_ready(shop: MemoryWired) -> None:
    image_id = add(shop)
    make(shop, put(shop, image_id))
    before = shop.tables()

    assert night(shop, days=30) == 0

    assert shop.tables() == before
    assert thumbnails(shop, image_id) == drawn_from(GOOD)


def test_the_night_removes_what_came_after_an_image_was_gone_and_then_forgets_it(shop: MemoryWired) -> None:
    image_id = add(shop)
    images.remove_image(ADA, image_id, desk=shop)
    put(shop, image_id)
    assert night(shop, hours=23) == 0

    assert night(shop, hours=1) == 1

    assert objects(shop) == {}
    assert shop.tables()["image_removals"] == {}


def test_the_night_removes_what_a_death_left_of_a_rejected_image(shop: MemoryWired, monkeypatch: pytest.MonkeyPatch) -> None:
    image_id = add(shop)
    make(shop, put(shop, image_id, GOOD))
    upload = put(shop, image_id, BAD)
    with dying_after(shop, 1, monkeypatch), pytest.raises(Died):
        make(shop, upload)
    assert len(objects(shop)) == 5

    assert night(shop, hours=24) == 1

    assert objects(shop) == {}
    assert night(shop, hours=24) == 0


def test_a_night_that_is_cut_off_is_finished_by_the_next(shop: MemoryWired, monkeypatch: pytest.MonkeyPatch) -> None:
    for writes in range(1, 8):
        image_id, gone = add(shop), add(shop)
        put(shop, image_id)
        images.remove_image(ADA, gone, desk=shop)
        with dying_after(shop, writes, monkeypatch), pytest.raises(Died):
            night(shop, hours=24)

        night(shop, hours=24)

        assert kept(shop, image_id).status is ImageStatus.REJECTED
        assert kept(shop, image_id).due_at is None
        assert objects(shop) == {}
        assert shop.tables()["image_removals"] == {}


def test_an_image_that_cannot_be_looked_after_stops_none_of_the_others(shop: MemoryWired) -> None:
    image_ids = [add(shop) for _ in range(3)]

    def fail() -> None:
        raise KeyError

    shop.clock.advance(hours=24)
    with pytest.raises(Unavailable) as told:
        images.look_after_images(shop.clock.now(), desk=Interrupted(shop, "uploads.head", fail))

    assert isinstance(told.value.__cause__, KeyError)
    assert sorted(kept(shop, image_id).status for image_id in image_ids) == ["pending", "rejected", "rejected"]


@pytest.mark.parametrize("step", ["images.get", "uploads.head", "images.save"])
def test_an_image_that_is_settled_while_the_night_looks_is_left_alone(shop: MemoryWired, step: str) -> None:
    image_id = add(shop)
    shop.clock.advance(hours=24)
    late = Interrupted(shop, step, lambda: make(shop, put(shop, image_id)))

    assert images.look_after_images(shop.clock.now(), desk=late) == 0

    assert thumbnails(shop, image_id) == drawn_from(GOOD)


@pytest.mark.parametrize("step", ["unsettled_images.removal", "images.get", "images.save"])
def test_an_image_that_is_removed_while_the_night_looks_is_due_another_night(shop: MemoryWired, step: str) -> None:
    image_id = add(shop)
    shop.clock.advance(hours=24)
    late = Interrupted(shop, step, lambda: images.remove_image(ADA, image_id, desk=shop))

    assert images.look_after_images(shop.clock.now(), desk=late) == 0
    assert len(shop.tables()["image_removals"]) == 1

    assert night(shop, hours=24) == 1
    assert shop.tables()["image_removals"] == {}
