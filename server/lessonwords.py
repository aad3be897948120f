# ruff: noqa: RUF001  (Chinese has its own commas)
"""What the page that brings a lesson says, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping

EN = {
    "lang": "en",
    "bringing": "The lesson's files are coming",
    "wait": "This takes a moment the first time. What you changed before stays as you left it.",
    "go": "Bring the files and open the lesson",
    "failed": "The lesson could not be brought",
    "again": "Try again",
    "open": "Open the server without it",
    "details": "What Git said",
    "gone": "There is no such lesson for you, or it is over. Ask who teaches the class.",
    "silent": "The room does not answer at the moment. Try again in a minute.",
    "branch": "The repository has no such branch. Tell your instructor.",
    "unreachable": "The repository does not answer, or is not open to read. Try again in a minute; "
    "if it stays so, tell your instructor.",
    "folder": "There is nothing in {what}. Tell your instructor.",
    "files": "The class folder has more than {what} files, too many for a lesson. Tell your "
    "instructor.",
    "size": "The class folder has more than {what}, too much for a lesson: large files belong in "
    "a dataset. Tell your instructor.",
    "link": "{what} is a link or a repository, which no lesson can have. Tell your instructor.",
    "taken": "There is a folder {what} of your own. Give it another name, and try again.",
    "full": "Your home is full. Delete what you do not need, and try again.",
    "time": "It took longer than {what} minutes and was given up. Try again.",
    "git": "What you changed and what is new did not fit together, and nothing of yours was "
    "changed. Give the lesson's folder another name and try again: it comes anew.",
    "other": "Something in your home is in the way: {what}. Try again, or ask your instructor.",
}

ZH = {
    "lang": "zh-CN",
    "bringing": "正在获取课程文件",
    "wait": "第一次需要一点时间。您之前修改过的内容会保持原样。",
    "go": "获取文件并打开课程",
    "failed": "无法获取课程",
    "again": "重试",
    "open": "不获取课程，直接打开服务器",
    "details": "Git 的输出",
    "gone": "没有您可以使用的这个课程，或者它已经结束。请询问任课教师。",
    "silent": "服务暂时没有响应，请一分钟后再试。",
    "branch": "代码仓库中没有这个分支。请告诉您的教师。",
    "unreachable": "代码仓库没有响应，或者不能公开读取。请一分钟后再试；如果一直如此，"
    "请告诉您的教师。",
    "folder": "{what} 中没有任何内容。请告诉您的教师。",
    "files": "班级文件夹中的文件超过 {what} 个，对一个课程来说太多了。请告诉您的教师。",
    "size": "班级文件夹超过 {what}，对一个课程来说太大了：大文件应当放在数据集中。请告诉您的教师。",
    "link": "{what} 是链接或代码仓库，课程中不能有这样的内容。请告诉您的教师。",
    "taken": "您自己有一个文件夹 {what}。请给它改名，然后重试。",
    "full": "您的主目录已满。请删除不需要的内容，然后重试。",
    "time": "超过了 {what} 分钟，已放弃。请重试。",
    "git": "您的修改与新内容无法合并，您的文件没有任何变化。请给课程文件夹改名，然后重试："
    "它会重新获取。",
    "other": "您的主目录中有内容妨碍了操作：{what}。请重试，或者询问您的教师。",
}


def pick(cookie: str, accepted: str) -> Mapping[str, str]:
    """Return the words: as the room's pages were chosen, else as the browser asks first."""
    if cookie:
        return ZH if cookie.startswith("zh") else EN
    first = accepted.split(",")[0].strip().lower()
    return ZH if first.startswith("zh") else EN
