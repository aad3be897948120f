"""Why an archive is refused, as the agent says it: for the phrasebook of the console's pages."""

from __future__ import annotations

from console.words import N_

#: ``room/datasets/archive_rules.py``, and what ``publishing/sources.py`` says of archives.
ARCHIVES = (
    N_("the archive ends too early: transfer it again"),
    N_("the archive is damaged: transfer it again, or pack it again"),
    N_("the file is damaged, its checksum is another one: transfer or pack it again"),
    N_("there is something behind the end of the archive: pack it again"),
    N_("its size is not what the archive says: pack it again"),
    N_("it is compressed, and no tar is in it: pack it as zip, tar, tar.gz or tar.zst"),
    N_("the archive's list and the header before it say different things: pack it again"),
    N_("it shares its place in the archive with another file: pack it again"),
    N_("it is one part of an archive in several parts: pack it as one file"),
    N_("it is encrypted: pack it again without a password"),
    N_("it is a sparse file: pack it again without --sparse"),
    N_("it is a device, a pipe or a socket, and no file: leave it out"),
    N_("it is no file, folder or link that we know: leave it out"),
    N_("it is a folder or link, and says that it has contents: pack it again"),
    N_("it is a hard link to no file that came before it: pack it as a file"),
    N_("it has two names, in two ways to write long ones: pack it again"),
    N_("it has more than 1 MiB of properties: pack it without extended attributes"),
    N_("unpacking takes more than 128 MiB of memory: pack it again without --ultra, --long"),
    N_("the archive has more than %(most)s files and folders: merge small files into larger ones"),
    N_("the archive has more than %(most)s unpacked, the limit: leave files out, or ask for more"),
    N_(
        "the archive of %(packed)s is more than %(ratio)s times as large unpacked: if that is so, "
        "pack it as .tar without compression"
    ),
    N_("it is compressed by %(method)s: use Deflate, or no compression"),
    N_("it is no archive that we know: pack it as zip, tar, tar.gz or tar.zst"),
    N_("%(archive)s is refused because of %(member)s: %(reason)s"),
    N_("it is a %(kind)s file: pack it as zip, tar, tar.gz or tar.zst"),
    N_("the archive"),
    N_("%(archive)s is refused: %(reason)s"),
    N_("%(shown)s is a folder and no archive"),
)
