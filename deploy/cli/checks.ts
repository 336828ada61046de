import { Option, type Command } from 'commander';

interface DoctorFlags {
  readonly fetchNatsServer?: boolean;
}

/** `doctor`: what this machine has, which engine a worker would take and why, what to do about what is missing. */
export function addDoctor(doctor: Command, exit: (status: number) => void): void {
  doctor
    .addOption(
      new Option(
        '--fetch-nats-server',
        'only see to it that there is a nats-server, fetching it when there is none',
      ),
    )
    .action(async (flags: DoctorFlags) => {
      const [{ cacheFolder }, { findNatsServer }] = await Promise.all([
        import('../../proto/runtime/cache-folder.js'),
        import('../nats-server/index.js'),
      ]);
      const say = (line: string): void => void process.stdout.write(`${line}\n`);
      const server = await findNatsServer({
        environment: process.env,
        cacheFolder: cacheFolder(process.env),
        onProgress: say,
      });
      say(`nats-server: ${server.version} (${server.from}: ${server.path})`);
      if (flags.fetchNatsServer === true) return exit(0);
      const { chooseEngine, probeEngines } = await import('../../worker/index.js');
      say(`node: ${process.version} on ${process.platform} ${process.arch}`);
      const probes = await probeEngines(process.env);
      for (const probe of probes)
        say(`engine ${probe.name}: ${probe.usable ? 'usable' : 'not usable'} (${probe.reason})`);
      const choice = chooseEngine(probes, 'auto');
      say(`a worker would take ${choice.name}: ${choice.reason}`);
      exit(0);
    });
}
