# Installs everything into one folder; pip's leftovers and the build requirements stay behind in this stage.
FROM python:3.13-slim AS install
COPY build-requirements.txt requirements.txt /
# Wheels only, so that no compiler is asked for. The toolkit is published as source: pure Python, built here with what
# build-requirements.txt pins.
RUN python3 -m venv --without-pip /opt/nx-report \
 && pip --python /opt/nx-report/bin/python3 install --no-cache-dir --no-compile --require-hashes --no-deps \
      --only-binary :all: -r build-requirements.txt \
 && pip --python /opt/nx-report/bin/python3 install --no-cache-dir --no-compile --require-hashes --no-deps \
      --only-binary :all: --no-binary bitbucket-pipes-toolkit --no-build-isolation -r requirements.txt \
 && pip --python /opt/nx-report/bin/python3 uninstall --yes --requirement build-requirements.txt
COPY pipe /opt/nx-report/lib/python3.13/site-packages/pipe
# Compiled here, because at run time the root file system may be read-only and the user anybody. Not checked against the
# sources: copying may change their times. Readable for everybody, whatever the umask of the checkout was.
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /opt/nx-report/lib && chmod -R a+rX /opt/nx-report

FROM python:3.13-slim
ARG VERSION=dev
LABEL org.opencontainers.image.title="Nx Report" \
      org.opencontainers.image.description="A Bitbucket pipe that shows on the pull request what Nx ran" \
      org.opencontainers.image.source="https://bitbucket.org/nxreport/nx-report" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION"
# The official image ships its standard library without compiled files: each start would compile it again.
RUN python3 -m compileall -q -x '/(ensurepip|idlelib|pydoc_data|site-packages|test|tkinter|turtledemo)/' \
      "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
COPY --from=install /opt/nx-report /opt/nx-report
COPY LICENSE README.md pipe.yml /
# Nothing is imported from the working directory or from where the environment says: a pull request writes the one, and
# -I ignores the other. PYTHONSAFEPATH says it again for whoever changes the entry point.
ENV PATH=/opt/nx-report/bin:$PATH PYTHONSAFEPATH=1
# A buffer of a megabyte or more goes back to the system as soon as it is free: else glibc keeps ever larger ones, which
# takes a quarter more memory where logs are long (mallopt(3), M_MMAP_THRESHOLD).
ENV MALLOC_MMAP_THRESHOLD_=1048576
ENTRYPOINT ["python3", "-I", "-m", "pipe"]
