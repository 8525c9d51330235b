import type { ApprovalId } from "./ApprovalId";
import type { Problem } from "./Problem";

export type NotAnswered = { id: ApprovalId, problem: Problem, };
