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
      const { cacheFolder } = await import('../../proto/runtime/cache-folder.js');
      const say = (line: string): void => void process.stdout.write(`${line}\n`);
      const options = { environment: process.env, cacheFolder: cacheFolder(process.env) };
      if (flags.fetchNatsServer === true) {
        const { findNatsServer } = await import('../nats-server/index.js');
        const server = await findNatsServer({ ...options, onProgress: say });
        say(`nats-server: ${server.version} (${server.from}: ${server.path})`);
        return exit(0);
      }
      const { examine } = await import('../doctor/index.js');
      exit((await examine({ ...options, say })) ? 0 : 1);
    });
}
