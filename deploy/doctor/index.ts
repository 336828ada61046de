export { examine, type DoctorOptions } from './doctor.js';
