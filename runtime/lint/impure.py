"""What must not be used in orchestrators, by its full name, and what its wait should be instead.

A name that ends in `.*` stands for every call of what lies below it.
"""

_CLOCK = """
    arrow.now arrow.utcnow datetime.date.today datetime.datetime.now datetime.datetime.today
    datetime.datetime.utcnow django.utils.timezone.localdate django.utils.timezone.localtime
    django.utils.timezone.now pendulum.now pendulum.today pendulum.tomorrow pendulum.yesterday
    time.clock_gettime time.clock_gettime_ns time.monotonic time.monotonic_ns time.perf_counter
    time.perf_counter_ns time.process_time time.process_time_ns time.thread_time time.time
    time.time_ns timeit.default_timer trio.current_time
"""
_RANDOM = """
    numpy.random.* os.getrandom os.urandom random.betavariate random.binomialvariate random.choice
    random.choices random.expovariate random.gammavariate random.gauss random.getrandbits
    random.getstate random.lognormvariate random.normalvariate random.paretovariate
    random.randbytes random.randint random.random random.randrange random.sample random.seed
    random.setstate random.shuffle random.triangular random.uniform random.vonmisesvariate
    random.weibullvariate random.SystemRandom secrets.*
"""
_UUID = "uuid.getnode uuid.uuid1 uuid.uuid4 uuid.uuid6 uuid.uuid7"
_ENVIRONMENT = """
    getpass.getuser locale.getlocale multiprocessing.cpu_count os.cpu_count os.environ os.environb
    os.getcwd os.getenv os.getenvb os.getlogin os.getpid os.getppid os.getuid os.path.expanduser
    os.path.expandvars os.process_cpu_count os.sched_getaffinity os.uname pathlib.Path.cwd
    pathlib.Path.home platform.* socket.gethostname sys.argv
"""
_IDENTITY = "builtins.hash builtins.id"
_OS_FILES = """
    access chdir chmod chown close fdopen fsync ftruncate link listdir lstat makedirs mkdir open
    read readlink remove removedirs rename renames replace rmdir scandir stat symlink truncate
    unlink utime walk write
"""
_OS_PATHS = """
    abspath exists getatime getctime getmtime getsize isdir isfile islink ismount lexists realpath
    samefile
"""
_PATHS = """
    absolute chmod exists glob hardlink_to is_dir is_file is_mount is_symlink iterdir lchmod lstat
    mkdir open read_bytes read_text readlink rename replace resolve rglob rmdir samefile stat
    symlink_to touch unlink walk write_bytes write_text
"""
_FILES = """
    aiofiles.* anyio.NamedTemporaryFile anyio.SpooledTemporaryFile anyio.TemporaryDirectory
    anyio.TemporaryFile anyio.gettempdir anyio.mkdtemp anyio.mkstemp anyio.open_file builtins.open
    fileinput.* glob.* io.open mmap.* shelve.open shutil.* tempfile.* tarfile.open zipfile.ZipFile
    pkgutil.get_data
"""
_NETWORK = """
    aioboto3.* aiohttp.ClientSession aiohttp.request aiokafka.* aiomysql.* aiosqlite.connect
    anthropic.Anthropic anthropic.AsyncAnthropic anyio.connect_tcp anyio.connect_unix
    anyio.create_connected_udp_socket anyio.create_tcp_listener anyio.create_udp_socket
    anyio.create_unix_listener anyio.getaddrinfo anyio.getnameinfo anyio.wait_readable
    anyio.wait_socket_readable anyio.wait_socket_writable anyio.wait_writable asyncpg.* boto3.*
    dbm.open ftplib.* grpc.* http.client.HTTPConnection http.client.HTTPSConnection
    httpx.AsyncClient httpx.Client httpx.delete httpx.get httpx.head httpx.options httpx.patch
    httpx.post httpx.put httpx.request httpx.stream imaplib.* kafka.* motor.* openai.AsyncOpenAI
    openai.OpenAI paramiko.* perdure.Client perdure.Runtime pika.* poplib.* psycopg.* psycopg2.*
    pymongo.* pymysql.* redis.* requests.Session requests.delete requests.get requests.head
    requests.options requests.patch requests.post requests.put requests.request requests.session
    smtplib.* socket.create_connection socket.create_server socket.getaddrinfo
    socket.gethostbyaddr socket.gethostbyname socket.getnameinfo socket.socket
    sqlalchemy.create_engine sqlalchemy.ext.asyncio.create_async_engine sqlite3.connect
    urllib.request.build_opener urllib.request.urlopen urllib.request.urlretrieve urllib3.*
    websockets.* xmlrpc.client.ServerProxy
"""
_CONNECTED = """
    aiohttp.ClientSession http.client.HTTPConnection http.client.HTTPSConnection httpx.AsyncClient
    httpx.Client perdure.Client requests.Session socket.socket
    azure.durable_functions.DurableOrchestrationClient perdure.runtime.client.client.Client
"""
_PROCESSES = """
    anyio.open_process anyio.run_process os.execl os.execle os.execlp os.execv os.execve os.execvp
    os.fork os.forkpty os.kill os.popen os.posix_spawn os.posix_spawnp os.spawnl os.spawnv
    os.spawnve os.startfile os.system os.waitpid subprocess.Popen subprocess.call
    subprocess.check_call subprocess.check_output subprocess.getoutput subprocess.getstatusoutput
    subprocess.run
"""
_THREADS = """
    anyio.from_thread.* anyio.to_interpreter.* anyio.to_process.* anyio.to_thread.*
    asyncio.to_thread concurrent.futures.* joblib.* multiprocessing.* queue.* threading.*
    trio.from_thread.* trio.to_thread.*
"""
_BLOCKING = """
    builtins.breakpoint builtins.input getpass.getpass select.* selectors.* signal.pause
    signal.sigwait time.sleep
"""
_FOREIGN = "anyio.CapacityLimiter anyio.run asyncio.* curio.* gevent.* trio.* twisted.*"
_OUTPUT = """
    builtins.print logging.* logging.getLogger().* pprint.pp pprint.pprint sys.stderr.*
    sys.stdout.* loguru.logger.* structlog.get_logger().* warnings.warn
"""


def _under(owner: str, names: str) -> str:
    return " ".join(f"{owner}.{name}" for name in names.split())


_CODES = {
    "PER101": _CLOCK,
    "PER102": _RANDOM,
    "PER103": _UUID,
    "PER104": _ENVIRONMENT,
    "PER105": _IDENTITY,
    "PER106": " ".join(
        (
            _FILES,
            _under("os", _OS_FILES),
            _under("os.path", _OS_PATHS),
            _under("pathlib.Path", _PATHS),
            _under("anyio.Path", _PATHS),
        )
    ),
    "PER107": _NETWORK + " ".join(f"{client}.*" for client in _CONNECTED.split()),
    "PER108": _PROCESSES,
    "PER109": _THREADS,
    "PER110": _BLOCKING,
    "PER111": _FOREIGN,
    "PER118": _OUTPUT,
}

IMPURE = {name: code for code, names in _CODES.items() for name in names.split()}
"""Name -> code."""

IMPURE_WITHOUT_ARGUMENTS = {
    "numpy.random.default_rng": "PER102",
    "random.Random": "PER102",
    "time.asctime": "PER101",
    "time.ctime": "PER101",
    "time.gmtime": "PER101",
    "time.localtime": "PER101",
}
"""What is pure once it is told what to work on: a seed, a time."""

PURE = {
    "asyncio.iscoroutine",
    "asyncio.iscoroutinefunction",
    "logging.getLevelName",
    "logging.getLogger",
    "numpy.random.default_rng",
}
"""What a `.*` above does not mean."""

_PAUSE = "{await} {ctx}.create_timer(...), or in an async orchestrator anyio.sleep(...)"
_GROUP = "use anyio.create_task_group(), or {ctx}.task_all([...])"

FIXES = {
    "anyio.CapacityLimiter": "use anyio.Semaphore",
    "asyncio.Condition": "use anyio.Condition",
    "asyncio.Event": "use anyio.Event, or {await} {ctx}.wait_for_external_event(...)",
    "asyncio.Lock": "use anyio.Lock",
    "asyncio.Queue": "use anyio.create_memory_object_stream()",
    "asyncio.Semaphore": "use anyio.Semaphore",
    "asyncio.TaskGroup": "use anyio.create_task_group()",
    "asyncio.create_task": _GROUP,
    "asyncio.ensure_future": _GROUP,
    "asyncio.gather": "{await} {ctx}.task_all([...])",
    "asyncio.shield": "use anyio.CancelScope(shield=True)",
    "asyncio.sleep": _PAUSE,
    "asyncio.timeout": "use anyio.fail_after(...)",
    "asyncio.wait": "{await} {ctx}.task_any([...]), or {ctx}.task_all([...])",
    "asyncio.wait_for": "use anyio.fail_after(...)",
    "builtins.input": "{await} {ctx}.wait_for_external_event(...)",
    "getpass.getpass": "{await} {ctx}.wait_for_external_event(...)",
    "trio.open_nursery": "use anyio.create_task_group()",
    "trio.sleep": _PAUSE,
}
"""What to do instead of this very thing, where the rule's own fix is too general."""


def code_of(name: str, *, called: bool) -> str | None:
    """The code for using something of that full name, or None.

    A class is used when it is called; otherwise it may be the meaning of an instance.
    """
    is_class = name.rpartition(".")[2][:1].isupper()
    if name in IMPURE and (called or not is_class):
        return IMPURE[name]
    if not called or name in PURE:
        return None
    while "." in name:
        name = name.rpartition(".")[0]
        if f"{name}.*" in IMPURE:
            return IMPURE[f"{name}.*"]
    return None
