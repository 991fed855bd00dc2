"""What a server reads from its disk and fetches from its network, and takes for it.

In: settings, and whether there are users.  Out: a policy of paths, one of URLs, and a budget of
decoded pictures, for the web and for the programs that it starts.

On one's own computer everything that the server's account may read is open, and so are the
machines of the local network.  As soon as others have access (the server listens on more than this
computer, or there are users) only what the settings name is.
"""

from __future__ import annotations

from collections.abc import Mapping

from digits.accounts.accounts import Accounts
from digits.config import Config
from digits.images.budget import server_budget
from digits.sources.downloads import Downloader
from digits.sources.paths import PathPolicy
from digits.sources.url_policy import UrlPolicy


class Policies:
    """The policies of a server.  Raises ConfigError for an allow list that is none."""

    def __init__(self, config: Config, accounts: Accounts) -> None:
        self.config = config
        self.accounts = accounts
        self.paths = PathPolicy(
            config.data_roots, config.jobs_dir, others_have_access=self.others_have_access
        )
        self.budget = server_budget(config.jobs_dir, config.decoding_memory_mb)
        self._of_others = UrlPolicy.of(config.url_allow, private=False)
        self._of_oneself = UrlPolicy.of(config.url_allow, private=True)

    def others_have_access(self) -> bool:
        """Whether anybody but the one who started the server can use it."""
        return self.config.is_public or self.accounts.are_on

    def urls(self) -> UrlPolicy:
        """What is fetched from."""
        return self._of_others if self.others_have_access() else self._of_oneself

    def downloader(self) -> Downloader:
        """Fetches what may be fetched now."""
        return Downloader(self.urls())

    def environment(self) -> Mapping[str, str]:
        """What the programs of tasks are told; the scheduler asks at each start."""
        return {**self.urls().to_environment(), **self.budget.to_environment()}
