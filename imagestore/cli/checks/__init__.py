"""What `imagestore doctor` examines: one module for each subject, and the list of all of them.

To add a check, write a function that takes what its subject's `look` returns and yields findings, and name
it in the subject's `checks`.
"""

from __future__ import annotations

from imagestore.cli.checks.configuration import CONFIGURATION
from imagestore.cli.checks.data_folder import DATA_FOLDER
from imagestore.cli.checks.installation import INSTALLATION
from imagestore.cli.checks.mongodb import MONGODB
from imagestore.cli.checks.redis import REDIS
from imagestore.cli.checks.running_service import SERVICE

SUBJECTS = (INSTALLATION, CONFIGURATION, DATA_FOLDER, MONGODB, REDIS, SERVICE)
